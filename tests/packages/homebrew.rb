# homebrew.rb linux|macos FORMULA PREFIX install|test: runs a block of a formula as Homebrew does. It stands in for
# Homebrew, which cannot be had as a package, and knows of a formula what ours uses; anything else is an error.
require 'digest'
require 'etc'
require 'fileutils'
require 'open3'
require 'pathname'
require 'tmpdir'
require 'uri'

class Refusal < StandardError; end

system_name, formula_file, prefix, block = ARGV
raise Refusal, "the system is linux or macos, not '#{system_name}'" unless %w[linux macos].include?(system_name)

module OS
  class << self
    attr_accessor :name

    def linux? = name == 'linux'
    def mac? = name == 'macos'
  end
end
OS.name = system_name

# What stands in a formula outside of its class's methods.
class Formula
  class << self
    attr_reader :dependencies, :test_block

    %i[desc homepage url sha256 license].each do |field|
      define_method(field) do |*value|
        value.empty? ? instance_variable_get("@#{field}") : instance_variable_set("@#{field}", value.first)
      end
    end

    def depends_on(dependency)
      (@dependencies ||= []) << (dependency.is_a?(Hash) ? dependency.keys.first : dependency)
    end

    def test(&block)
      @test_block = block
    end

    def inherited(formula)
      (@all ||= []) << formula
      super
    end

    attr_reader :all
  end

  attr_reader :prefix, :testpath

  def initialize(prefix, testpath = nil)
    @prefix = Pathname(prefix)
    @testpath = Pathname(testpath) if testpath
  end

  def bin = prefix/'bin'
  def lib = prefix/'lib'
  def include = prefix/'include'
  def share = prefix/'share'
  def man = share/'man'
  def opt_lib = lib
  def version = self.class.url[/-(\d+(?:\.\d+)+)\.tar\.gz\z/, 1]

  def std_cmake_args
    ["-DCMAKE_INSTALL_PREFIX=#{prefix}", "-DCMAKE_INSTALL_LIBDIR=#{lib}", '-DCMAKE_BUILD_TYPE=Release',
     '-DCMAKE_FIND_FRAMEWORK=LAST', '-DCMAKE_VERBOSE_MAKEFILE=ON', '-Wno-dev', '-DBUILD_TESTING=OFF']
  end

  def system(*command)
    raise Refusal, "failed: #{command.join(' ')}" unless Kernel.system(*command.map(&:to_s))
  end

  def odie(text)
    raise Refusal, text
  end

  def shell_output(command, status = 0)
    output, ended = Open3.capture2(command)
    raise Refusal, "exit status #{ended.exitstatus}: #{command}\n#{output}" unless ended.exitstatus == status

    output
  end

  def assert_match(expected, actual)
    found = expected.is_a?(Regexp) ? expected.match?(actual) : actual.include?(expected)
    raise Refusal, "expected #{expected.inspect} in #{actual.inspect}" unless found
  end

  def assert_equal(expected, actual)
    raise Refusal, "expected #{expected.inspect}, got #{actual.inspect}" unless expected == actual
  end
end

# As Homebrew has it in ENV.
def ENV.cc = 'cc'

class Pathname
  alias_method :write_over, :write
  # Homebrew's never writes over a file.
  def write(text)
    raise Refusal, "#{self} exists" if exist?

    write_over(text)
  end
end

def check_fields(formula)
  %i[desc homepage url sha256 license].each do |field|
    raise Refusal, "the formula has no #{field}" if formula.send(field).to_s.empty?
    raise Refusal, "#{field} was not filled in: #{formula.send(field)}" if formula.send(field).include?('@')
  end
  (formula.dependencies || []).each do |tool|
    raise Refusal, "#{tool} is not installed" unless Kernel.system('which', tool, out: File::NULL)
  end
end

def unpack(formula, folder)
  address = URI.parse(formula.url)
  raise Refusal, "no address of a file: #{formula.url}" unless address.scheme == 'file'

  archive = URI.decode_www_form_component(address.path)
  sum = Digest::SHA256.file(archive).hexdigest
  raise Refusal, "#{archive} has the checksum #{sum}, not #{formula.sha256}" unless sum == formula.sha256

  Kernel.system('tar', '-C', folder, '--strip-components=1', '-xzf', archive) || raise(Refusal, "tar: #{archive}")
end

begin
  Dir.mktmpdir do |folder|
    load File.expand_path(formula_file)
    formula = Formula.all.fetch(0)
    check_fields(formula)
    prefix = File.expand_path(prefix)
    case block
    when 'install'
      unpack(formula, folder)
      Dir.chdir(folder) { formula.new(prefix).install }
      puts formula.new(prefix).caveats
    when 'test'
      Dir.chdir(folder) { formula.new(prefix, folder).instance_eval(&formula.test_block) }
    else
      raise Refusal, "the block is install or test, not '#{block}'"
    end
  end
rescue Refusal => e
  warn "Error: #{e.message}"
  exit 1
end
